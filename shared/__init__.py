"""Generic building blocks of the services, and the contracts between them."""
