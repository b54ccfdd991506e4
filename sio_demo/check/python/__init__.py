"""The rules for Python: python-socketio and Flask-SocketIO."""
