"""The same server as grpc_backend.ts, on grpcio: the same methods and answers, but that Large echoes.

Arguments: none for a server in clear, or files of certificate and key. Prints its port as the first line, and then the
method of each call that ended before it was answered. Ends with standard input.
"""

import sys
import threading
from concurrent import futures

import grpc

# Two threads that print would mix the letters of their lines.
PRINTING = threading.Lock()
UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


def wait(context, method):
    """Until the call has ended by itself."""
    ended = threading.Event()
    if context.add_callback(ended.set):
        ended.wait()
    with PRINTING:
        print(method, flush=True)


def echo(request, _context):
    return request


def fail(_request, context):
    context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")


def silent(request, context):
    wait(context, "Silent")
    return request


def endless(_request, context):
    yield b"first"
    wait(context, "Endless")


METHODS = {
    "Unary": grpc.unary_unary_rpc_method_handler(echo),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "Silent": grpc.unary_unary_rpc_method_handler(silent),
    "Large": grpc.unary_unary_rpc_method_handler(echo),
    "Server": grpc.unary_stream_rpc_method_handler(lambda request, context: iter([b"one", b"two", b"three"])),
    "Endless": grpc.unary_stream_rpc_method_handler(endless),
    "Client": grpc.stream_unary_rpc_method_handler(
        lambda requests, context: str(sum(1 for _ in requests)).encode()),
    "Bidi": grpc.stream_stream_rpc_method_handler(echo),
}


def main(*files):
    server = grpc.server(futures.ThreadPoolExecutor(16), options=UNLIMITED)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("t.T", METHODS)])
    if files:
        chain, key = (open(path, "rb").read() for path in files)
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, chain)]))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    sys.stdin.read()
    server.stop(0)


main(*sys.argv[1:])
