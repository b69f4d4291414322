"""Files of runs, from which it goes on to the same bits."""
