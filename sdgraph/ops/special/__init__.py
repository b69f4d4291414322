"""Special functions: kernels of what numpy lacks, and the ops of ``sd.math`` that are made of them."""
