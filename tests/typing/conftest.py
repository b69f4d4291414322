"""The program is read by a type checker only: half of it is wrong on purpose."""

collect_ignore = ["user_code.py"]
