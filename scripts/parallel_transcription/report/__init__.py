"""From findings to pages: figures, PDF and HTML."""
