package awsapi

// callerIdentity is who a client is: whoever reaches the lab is the root user of its
// account, because no credentials are checked.
type callerIdentity struct {
	Account string `json:"Account"`
	Arn     string `json:"Arn"`
	UserID  string `json:"UserId"`
}

// getCallerIdentity is what people ask first, to see whether anybody answers, and what
// programs ask to learn the account.
func (h *Handler) getCallerIdentity(*struct{}) (any, *Error) {
	account := h.config.Place().Account
	return callerIdentity{Account: account, Arn: "arn:aws:iam::" + account + ":root", UserID: account}, nil
}
