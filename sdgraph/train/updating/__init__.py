"""What changes variables: rules, updaters, schedules, what gradients go through first, the second half of a step."""
