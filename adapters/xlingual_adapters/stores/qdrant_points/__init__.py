"""How documents lie in the points of Qdrant, and how they are asked for, whatever runs the engine.

The server, the client's local mode and Qdrant Edge keep the same ids and payloads, and
understand the same filters; what they share is here, and they know nothing of each other.
"""
