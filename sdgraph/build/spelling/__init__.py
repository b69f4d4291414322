"""What a name means that nothing here has: another library's, or one of ours in another place or spelling."""
