"""From the tables to answers: questions with their verdicts, and the recommended settings."""
