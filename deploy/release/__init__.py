"""What a release consists of, and what has to hold before there is one."""
