"""Files behind addresses that callers send: fetched from public hosts only, where the operator wants it."""
