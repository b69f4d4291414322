"""Arrays in, arrays out: feeds are checked, a plan is filled in and an engine runs it."""
