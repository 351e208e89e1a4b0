"""The published study: its tables and claims, judged by our findings, and ours beside them."""
