package inject

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"
)

// The parts of admission.k8s.io/v1 that are needed here.
type (
	admissionReview struct {
		APIVersion string             `json:"apiVersion"`
		Kind       string             `json:"kind"`
		Request    *admissionRequest  `json:"request,omitempty"`
		Response   *admissionResponse `json:"response,omitempty"`
	}

	admissionRequest struct {
		UID       string `json:"uid"`
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
		Operation string `json:"operation"`
		Resource  struct {
			Group    string `json:"group"`
			Resource string `json:"resource"`
		} `json:"resource"`
		SubResource string          `json:"subResource"`
		Object      json.RawMessage `json:"object"`
	}

	admissionResponse struct {
		UID       string            `json:"uid"`
		Allowed   bool              `json:"allowed"`
		PatchType string            `json:"patchType,omitempty"`
		Patch     []byte            `json:"patch,omitempty"`
		Warnings  []string          `json:"warnings,omitempty"`
		Status    *admissionStatus  `json:"status,omitempty"`
		Audit     map[string]string `json:"auditAnnotations,omitempty"`
	}

	admissionStatus struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	}
)

const (
	reviewVersion = "admission.k8s.io/v1"
	reviewKind    = "AdmissionReview"

	// maxReviewBytes bounds a request: the API server takes objects of up to
	// 3 MiB, and a Pod that is made is the only one.
	maxReviewBytes = 4 << 20

	// largeReviewBytes is what only few Pods have. As JSON that was read, a review
	// takes some twenty times its size.
	largeReviewBytes = 64 << 10

	// reviewsAtOnce are worked on at a time: more than the CPUs that the injector
	// gets, each for about a millisecond.
	reviewsAtOnce = 8
)

// lanes keep the injector within its memory, whoever sends it what: large reviews
// are taken one after the other, so that they do not hold up the others.
type lanes struct{ all, large chan struct{} }

func newLanes() lanes {
	return lanes{all: make(chan struct{}, reviewsAtOnce), large: make(chan struct{}, 1)}
}

// enter waits for a place in a lane, unless ctx ends before.
func enter(ctx context.Context, lane chan struct{}) (leave func(), entered bool) {
	select {
	case lane <- struct{}{}:
		return func() { <-lane }, true
	case <-ctx.Done():
		return nil, false
	}
}

// protectedNamespaces are Kubernetes' own. The webhook's configuration leaves
// them out, too.
var protectedNamespaces = map[string]bool{"kube-system": true, "kube-public": true, "kube-node-lease": true}

// reviewer answers admission reviews.
type reviewer struct {
	injector *Injector
	asker    Asker
	strict   bool
	log      *slog.Logger
	metrics  *metrics
	lanes    lanes // those of the server
}

// ServeHTTP gives no answer to who does not await one any more.
func (r *reviewer) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	// Of unknown length it may be large, too.
	if request.ContentLength < 0 || request.ContentLength > largeReviewBytes {
		leave, entered := enter(request.Context(), r.lanes.large)
		if !entered {
			return
		}
		defer leave()
	}
	body, status, err := readBody(w, request)
	// A place is taken when all has arrived: slow senders do not hold one.
	leave, entered := enter(request.Context(), r.lanes.all)
	if !entered {
		return
	}
	defer leave()
	var review admissionReview
	if err == nil {
		review, err = parseReview(body)
	}
	if err != nil {
		r.metrics.reviews.WithLabelValues(outcomeMalformed).Inc()
		http.Error(w, err.Error(), status)
		return
	}
	answer, err := json.Marshal(admissionReview{APIVersion: reviewVersion, Kind: reviewKind, Response: r.review(review.Request)})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(answer) // the API server left; it knows best why
}

// readBody also returns the status of what is wrong with the body, or of what may
// be wrong with what it says.
func readBody(w http.ResponseWriter, request *http.Request) ([]byte, int, error) {
	if kind, _, _ := mime.ParseMediaType(request.Header.Get("Content-Type")); kind != "application/json" {
		return nil, http.StatusUnsupportedMediaType, fmt.Errorf("Content-Type %q: only application/json is accepted", request.Header.Get("Content-Type"))
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, maxReviewBytes))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, http.StatusRequestEntityTooLarge, err
	}
	return body, http.StatusBadRequest, err
}

func parseReview(body []byte) (review admissionReview, err error) {
	err = json.Unmarshal(body, &review)
	switch {
	case err != nil:
		return review, fmt.Errorf("read the review: %w", err)
	case review.APIVersion != reviewVersion || review.Kind != reviewKind:
		return review, fmt.Errorf("%s %s: only %s %s is accepted", review.APIVersion, review.Kind, reviewVersion, reviewKind)
	case review.Request == nil || review.Request.UID == "":
		return review, errors.New("the review has no request with a uid")
	}
	return review, nil
}

// review decides. Whatever is not the creation of a Pod is let through.
func (r *reviewer) review(request *admissionRequest) *admissionResponse {
	response := &admissionResponse{UID: request.UID, Allowed: true}
	if request.Operation != "CREATE" || request.Resource.Group != "" || request.Resource.Resource != "pods" || request.SubResource != "" || protectedNamespaces[request.Namespace] {
		r.metrics.reviews.WithLabelValues(outcomeSkipped).Inc()
		return response
	}
	original, err := decodeObject(request.Object)
	if err != nil {
		r.metrics.reviews.WithLabelValues(outcomeMalformed).Inc()
		response.Warnings = warningsOf([]string{"fsproxy is not injected: the Pod cannot be read: " + err.Error()})
		return response
	}
	outcome := r.injector.Inject(original, r.asker)
	response.Warnings = warningsOf(outcome.Warnings)
	r.note(request, original, outcome)
	if outcome.Refused && r.strict {
		response.Allowed = false
		response.Status = &admissionStatus{Code: http.StatusUnprocessableEntity, Message: "fsproxy cannot be injected: " + outcome.Reason}
		return response
	}
	patch := difference(original, outcome.Pod)
	if len(patch) == 0 {
		return response
	}
	// What was read as JSON can be written as JSON.
	response.Patch, _ = json.Marshal(patch)
	response.PatchType = "JSONPatch"
	return response
}

// note logs what is worth a line, and counts.
func (r *reviewer) note(request *admissionRequest, original object, outcome Outcome) {
	pod := podName(request, original)
	switch {
	case outcome.Refused:
		r.metrics.reviews.WithLabelValues(outcomeRefused).Inc()
		r.log.Warn("a Pod asked for fsproxy and cannot have it", "namespace", request.Namespace, "pod", pod, "reason", outcome.Reason)
	case outcome.Injected:
		r.metrics.reviews.WithLabelValues(outcomeInjected).Inc()
		r.log.Info("injected", "namespace", request.Namespace, "pod", pod, "warnings", outcome.Warnings)
	default:
		r.metrics.reviews.WithLabelValues(outcomeSkipped).Inc()
		r.log.Debug("not injected", "namespace", request.Namespace, "pod", pod, "reason", outcome.Reason)
	}
}

// podName is a Pod's name, or what its name will begin with.
func podName(request *admissionRequest, p object) string {
	if request.Name != "" {
		return request.Name
	}
	if name := text(inner(p, "metadata"), "name"); name != "" {
		return name
	}
	return text(inner(p, "metadata"), "generateName")
}

const (
	// maxWarningBytes is what clients show of a warning at most, and
	// maxWarningsBytes what the API server passes on of all of them.
	maxWarningBytes  = 256
	maxWarningsBytes = 4096
)

// warningsOf cuts warnings to what gets through: the API server drops the rest
// without a word. The Pod's annotation, and the log, have them whole.
func warningsOf(texts []string) (warnings []string) {
	total := 0
	for _, text := range texts {
		if len(text) > maxWarningBytes {
			text = strings.ToValidUTF8(text[:maxWarningBytes-len("…")], "") + "…"
		}
		if total += len(text); total > maxWarningsBytes {
			break
		}
		warnings = append(warnings, text)
	}
	return warnings
}
