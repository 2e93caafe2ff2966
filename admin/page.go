package admin

import (
	"embed"
	"io/fs"
	"net/http"
)

//go:embed page
var pageFiles embed.FS

// contentPolicy lets the page load its own files and ask this process, nothing
// else, and lets no other page show it in a frame.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// addPage gives mux the page. It holds nothing of this process: what it shows it
// asks the API for, which decides who may know.
func addPage(mux *http.ServeMux) {
	root, err := fs.Sub(pageFiles, "page")
	if err != nil {
		panic("admin: the page is not in the binary: " + err.Error())
	}
	files := http.FileServerFS(root)
	page := func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		// The files have no times: another version of fsproxy has others.
		h.Set("Cache-Control", "no-store")
		files.ServeHTTP(w, r)
	}
	mux.HandleFunc("GET /{$}", page)
	for _, entry := range entries(root) {
		mux.HandleFunc("GET /"+entry, page)
	}
}

func entries(root fs.FS) (names []string) {
	_ = fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && path != "index.html" {
			names = append(names, path)
		}
		return nil
	})
	return names
}
