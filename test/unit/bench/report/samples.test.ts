import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Budget } from '../../../../bench/budget.js';
import { whatIsMissing } from '../../../../bench/machine/missing.js';
import { interleave, median, range } from '../../../../bench/report/samples.js';

describe('interleave', () => {
  it('when there are two contenders, they take turns and each keeps its own figures', async () => {
    const order: string[] = [];
    const turn = (name: string, factor: number) => (round: number) => {
      order.push(name);
      return round * factor;
    };
    const samples = await interleave({ a: turn('a', 1), b: turn('b', 10) }, 3);
    assert.equal(order.join(''), 'ababab');
    assert.deepEqual(samples, { a: [0, 1, 2], b: [0, 10, 20] });
  });

  it('when the time is over, all contenders have run equally often, and at least once', async () => {
    const samples = await interleave({ a: () => 1, b: () => 2 }, 100, performance.now() - 1);
    assert.deepEqual(samples, { a: [1], b: [2] });
  });

  it('when one contender fails, the whole comparison fails', async () => {
    const broken = () => Promise.reject(new Error('no space left'));
    await assert.rejects(interleave({ a: () => 1, broken }, 2), /no space left/);
  });
});

describe('Budget', () => {
  it('when a cell of the table needs less than its share of the time, the other cells get the rest', () => {
    let now = 0;
    const budget = new Budget(100, 4, () => now);
    assert.equal(budget.next('a'), 25);
    now = 10;
    assert.equal(budget.next('b'), 40);
  });

  it('when the time is over, no further cell begins, and the omitted cells are named', () => {
    let now = 0;
    const budget = new Budget(100, 2, () => now);
    budget.next('first');
    now = 100;
    assert.equal(budget.next('second'), undefined);
    assert.equal(whatIsMissing()['second'], 'there was no time left for it');
    assert.equal('first' in whatIsMissing(), false);
  });

  it('when the remaining time is not enough for one round, the cell is left out and the others get its share', () => {
    const budget = new Budget(100, 2, () => 0);
    assert.equal(budget.next('large', 100), undefined);
    assert.equal(whatIsMissing()['large'], 'there was no time left for it');
    assert.equal(budget.next('small', 99), 100);
  });
});

describe('median and range', () => {
  it('when the number of values is odd, the median is the middle one of the sorted values', () => {
    assert.equal(median([100, 9, 20]), 20);
    assert.deepEqual(range([100, 9, 20]), [9, 100]);
  });

  it('when the number of values is even, the median is the mean of the middle two', () => {
    assert.equal(median([4, 1, 3, 100]), 3.5);
  });

  it('when there are no values, there is no median', () => {
    assert.throws(() => median([]), /nothing/);
    assert.throws(() => range([]), /nothing/);
  });
});
