"""The use cases, told in the words of the design; async, with no outside library but
the logger.
"""
