"""What is particular to one store: its statements, its failures, its crashes."""
