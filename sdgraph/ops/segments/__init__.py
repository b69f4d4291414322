"""Rows that belong together by a number: their largest, their product; and what is put into an array at places."""
