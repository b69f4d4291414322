"""What training has come to: measures of batches and epochs, histories."""
