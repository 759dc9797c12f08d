"""The same client as admin_identities.ts, on grpcio: the same arguments and output."""

import json
import sys

import grpc

SERVICE = "/mc_proxy.v1.ProxyAdminService/"


def read(path):
    if path == "":
        return None
    with open(path, "rb") as file:
        return file.read()


def code_of(channel, method, request):
    try:
        channel.unary_unary(SERVICE + method)(request, timeout=20)
        return 0
    except grpc.RpcError as error:
        return error.code().value[0]


def main(addr, authority, identities):
    codes = {}
    for identity in json.loads(identities):
        credentials = grpc.ssl_channel_credentials(
            read(authority), read(identity["key"]), read(identity["certificate"]))
        with grpc.secure_channel(addr, credentials) as channel:
            codes[identity["name"]] = [
                code_of(channel, "ListRoutes", b""),
                code_of(channel, "AddRoute", bytes.fromhex(identity["change"])),
            ]
    print(json.dumps(codes))


main(*sys.argv[1:])
