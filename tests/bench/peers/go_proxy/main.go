// A reverse proxy as Go's standard library offers it: goproxy PORT BACKEND_PORT HTTP1_NAME CERTIFICATE KEY.
package main

import (
	"context"
	"crypto/tls"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"

	"golang.org/x/net/http2"
)

func proxyTo(backend string, transport http.RoundTripper) *httputil.ReverseProxy {
	target := &url.URL{Scheme: "http", Host: backend}
	return &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.SetXForwarded()
			r.Out.Host = r.In.Host
		},
	}
}

func main() {
	port, backend, http1Name := os.Args[1], "127.0.0.1:"+os.Args[2], os.Args[3]
	overHTTP2 := proxyTo(backend, &http2.Transport{
		AllowHTTP: true,
		DialTLSContext: func(ctx context.Context, network, address string, _ *tls.Config) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
	})
	overHTTP1 := proxyTo(backend, &http.Transport{MaxIdleConnsPerHost: 256})
	server := &http.Server{
		Addr:      "127.0.0.1:" + port,
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{"h2", "http/1.1"}},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.Host, http1Name) {
				overHTTP1.ServeHTTP(w, r)
			} else {
				overHTTP2.ServeHTTP(w, r)
			}
		}),
	}
	if err := http2.ConfigureServer(server, &http2.Server{}); err != nil {
		log.Fatal(err)
	}
	log.Fatal(server.ListenAndServeTLS(os.Args[4], os.Args[5]))
}
