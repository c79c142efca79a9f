"""The use cases, told in the words of the design; async, and free of every outside library."""
