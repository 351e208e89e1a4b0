"""What a job does around one run: specification, checks of the machine, cluster, progress."""
