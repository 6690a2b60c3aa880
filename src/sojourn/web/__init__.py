"""Adapters: they translate between frameworks and `http.exchange`, and decide nothing."""
