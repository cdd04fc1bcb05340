"""`make demo` and `make up`, as a person starts them: on servers of their own, whatever the other tests use."""
