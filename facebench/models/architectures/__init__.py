"""Face networks that no library carries, with the layers and key names of the published code.

Written anew from the published sources, which the recipes name; tests hold each against a second
transcription. Submodules are named as there wherever weights depend on it. No layer works in place
and each is called once, so that every name gives its own output.
"""
