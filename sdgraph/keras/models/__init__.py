"""Models: layers put together, that are trained and used as Keras' models are."""
