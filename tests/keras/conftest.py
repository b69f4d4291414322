"""What is no test by itself: modules that skip whoever imports them where Keras is not installed."""

collect_ignore = ["keras_itself.py", "layers/against_keras.py"]
