"""Records: what is written of every backup, copy, proof, restore, and of the scheduler."""
