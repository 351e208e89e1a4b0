"""What stands on the pages of the reports: plain texts and cells, ready for the templates."""
