"""Uploads COUNT bytes to NAME in TLS records of one byte, all encrypted beforehand, as fast as the network takes them.

Arguments: HOST PORT NAME COUNT. Prints a line before the first byte of content leaves and one after the last.
"""

import socket
import ssl
import sys


def main(host, port, name, count):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with socket.create_connection((host, int(port))) as connection:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                connection.sendall(outgoing.read())
                incoming.write(connection.recv(65_536))
        tls.write(f"POST /sink HTTP/1.1\r\nHost: {name}\r\nContent-Length: {count}\r\n\r\n".encode())
        for _ in range(int(count)):
            tls.write(b"x")
        records = outgoing.read()
        print("begins", flush=True)
        connection.sendall(records)
        print("ends", flush=True)


main(*sys.argv[1:])
