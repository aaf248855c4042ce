module firedrill.dev/podfault

go 1.26.0
