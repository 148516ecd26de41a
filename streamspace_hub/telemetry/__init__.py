"""What all parts tell of themselves besides metrics: lines of a log as JSON, and spans of a trace."""
