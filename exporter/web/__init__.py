"""The HTTP side: addresses, bounded connections, routes, and the server that joins them."""
