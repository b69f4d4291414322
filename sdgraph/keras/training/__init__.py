"""What `sdgraph.keras.Model` is made of: settings for each output, losses and metrics as nodes, data as feeds."""
