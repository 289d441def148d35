from hypothesis import settings

# Tests never assert a time; a look whose neighbours are near takes a moment.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
