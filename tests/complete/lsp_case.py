"""What the tests of `apus lsp` share: a document, a model, and clients that end with the test."""
import unittest

from lsp_client import PAIR, Client

TARGET, DRAFT = PAIR / 'target.apus', PAIR / 'draft.apus'
URI = 'file:///project/a.py'
CODE = '''import os
import sys


def main(argv):
    """Print the names of all files."""
    for name in sorted(os.listdir(argv[1])):
        if name.startswith('.'):
            continue
        print(name)


def count(names):
    total = 0
    for name in names:
'''
LOOSE = {'automaticLogProb': 0, 'automaticMs': 0, 'invokedMs': 0}  # no answer by the clock


class LspCase(unittest.TestCase):

    def client(self, *arguments, **settings):
        client = Client(*(arguments or [TARGET, '-t', 1]), **settings)
        self.addCleanup(client.kill)
        return client

    def ready(self, options=LOOSE, **settings):
        client = self.client()
        client.start(options=options, **settings)
        client.loaded()
        return client

    def error_of(self, message, code):
        self.assertNotIn('result', message)
        self.assertEqual(message['error']['code'], code, message)
        self.assertGreater(len(message['error']['message']), 10)
        return message['error']['message']
