"""The examples, installed and run as their readers would."""
