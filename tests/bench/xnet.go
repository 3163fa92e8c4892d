// Serves a directory with golang.org/x/net/webdav: xnet HOST:PORT DIRECTORY
package main

import (
	"log"
	"net/http"
	"os"

	"golang.org/x/net/webdav"
)

func main() {
	handler := &webdav.Handler{FileSystem: webdav.Dir(os.Args[2]), LockSystem: webdav.NewMemLS()}
	log.Fatal(http.ListenAndServe(os.Args[1], handler))
}
