"""Why this score? Taps, targets, methods and fusion; needs torch alone (and grad-cam for some methods)."""
