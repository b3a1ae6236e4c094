"""Joules in the figures of run and bench, over counters that a preloaded library makes
(energy_counters.c): 15 W by the clock."""
import os
import pathlib

from cli_case import NUMBER, PROMPT, Case, Fixture

COUNTERS = dict(os.environ, LD_PRELOAD=os.environ['ENERGY_COUNTERS'])
RUN = ['run', '-m', Fixture.model, '-p', PROMPT, '--ignore-eos', '-n', 3000, '--cpu', 'ref']
BENCH = ['bench', '-m', Fixture.model, '--seconds', 1]
WATTS = 15


class Energy(Case):
    def test_run(self):
        o = self.object(*RUN, env=COUNTERS, want=dict(joules_per_token=NUMBER, energy=str))
        self.assertEqual(o['energy'], 'processor packages')
        self.assertAlmostEqual(o['joules_per_token'] * o['decode_tps'], WATTS, delta=0.05 * WATTS)
        r = self.ok(*RUN, env=COUNTERS)
        self.assertIn(b' J a token; ', r.stderr)

    def test_one_token_has_none(self):
        o = self.object('run', '-m', Fixture.model, '-p', PROMPT, '-n', 1, env=COUNTERS)
        self.assertIsNone(o['joules_per_token'])
        self.assertEqual(o['energy'], 'processor packages')

    def test_bench(self):
        o = self.object(*BENCH, env=COUNTERS)
        self.assertEqual(o['energy'], 'processor packages')
        # the joules are a mean, the speed is a median: much faster
        for part in ('decode', 'prefill'):
            watts = o[part]['joules_per_token'] * o[part]['tps'] # where passes wait for a processor
            self.assertTrue(0.5 * WATTS < watts < 20 * WATTS, o[part])
        self.assertIn(b' J a decoded token, ', self.ok(*BENCH, env=COUNTERS).stdout)

    def without(self, env, reason):
        run, bench = self.object(*RUN, env=env), self.object(*BENCH, env=env)
        self.assertEqual([
            run['joules_per_token'], bench['decode']['joules_per_token'],
            bench['prefill']['joules_per_token']
        ], [None] * 3)
        self.assertEqual([run['energy'], bench['energy']], [reason] * 2)
        self.assertIn('energy    not known: ' + reason, self.ok(*BENCH, env=env).stdout.decode())
        self.assertNotIn(b' J a token', self.ok(*RUN, env=env).stderr)

    def test_counters_of_root(self):
        self.without(dict(COUNTERS, ENERGY_DENIED='1'),
                     "only root may read this machine's energy counters")

    def test_no_counters(self):
        if pathlib.Path('/sys/class/powercap/intel-rapl:0').exists():
            self.skipTest('this machine has counters')
        self.without(os.environ, 'this machine shows no energy counters')
