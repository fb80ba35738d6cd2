"""Every fault that the exporter has to live with, injected over real sockets."""
