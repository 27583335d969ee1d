package awsapi

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestCallerIsTheAccountsRootUser(t *testing.T) {
	h, _ := fixture(t)
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:4566/", strings.NewReader("Action=GetCallerIdentity&Version=2011-06-15"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	const want = `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>` +
		`<Account>123456789012</Account><Arn>arn:aws:iam::123456789012:root</Arn><UserId>123456789012</UserId></GetCallerIdentityResult>`
	if got := w.Body.String(); w.Code != http.StatusOK || !strings.Contains(got, want) {
		t.Errorf("%d: %s", w.Code, got)
	}
}
