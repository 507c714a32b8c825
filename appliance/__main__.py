"""`python -m appliance` is the command `postroom`."""

from appliance.cli import main

if __name__ == "__main__":
    main()
