"""What a run leaves behind: tables and pictures in a folder."""
