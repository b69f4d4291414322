"""Files of Keras without its layers: what they hold, in one form for all versions, and how they are written.

Nothing in a file is imported, unpickled or executed, and what a file claims to hold is looked at before it is read.
"""
