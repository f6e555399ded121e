"""A small web server for an index of photos, for one person at one machine.

`app.create_app` makes the application, `serving.make_server` binds it to loopback, `gallery` writes
results to a file that needs neither.
"""
