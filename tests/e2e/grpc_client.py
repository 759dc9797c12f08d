"""The same client as grpc_client.ts, on grpcio: the same arguments, calls and output."""

import hashlib
import json
import queue
import sys

import grpc

LARGE_BYTES = 16_777_216


def connect(addr, name, authority):
    with open(authority, "rb") as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    return grpc.secure_channel(addr, credentials, [
        ("grpc.ssl_target_name_override", name),
        ("grpc.default_authority", name),
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
    ])


def told(message):
    return message.decode() if len(message) < 100 else hashlib.sha256(message).hexdigest()


def unary(channel, method, request, timeout=20):
    try:
        return [told(channel.unary_unary(f"/t.T/{method}")(request, timeout=timeout))], 0, ""
    except grpc.RpcError as error:
        return [], error.code().value[0], error.details()


def read(call, on_message=lambda count: None):
    messages = []
    try:
        for message in call:
            messages.append(told(message))
            on_message(len(messages))
    except grpc.RpcError:
        pass
    return messages, call.code().value[0], call.details()


def bidi(channel):
    requests = queue.Queue()
    requests.put(b"message 0")
    call = channel.stream_stream("/t.T/Bidi")(iter(requests.get, None))
    return read(call, lambda count: requests.put(b"message %d" % count if count < 4 else None))


def main(addr, name, authority, down_name):
    channel = connect(addr, name, authority)
    endless = channel.unary_stream("/t.T/Endless")(b"x")
    print(json.dumps({
        "unary": unary(channel, "Unary", b"ping"),
        "fail": unary(channel, "Fail", b"x"),
        "server": read(channel.unary_stream("/t.T/Server")(b"x")),
        "client": ([told(channel.stream_unary("/t.T/Client")(iter([b"part"] * 5)))], 0, ""),
        "bidi": bidi(channel),
        "deadline": unary(channel, "Silent", b"x", 0.3),
        "cancel": read(endless, lambda count: endless.cancel()),
        "large": unary(channel, "Large", b"x" * LARGE_BYTES),
        "down": unary(connect(addr, down_name, authority), "Unary", b"x"),
    }))


main(*sys.argv[1:])
