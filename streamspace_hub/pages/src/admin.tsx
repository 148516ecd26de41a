/** *Admin*: everybody's sessions, what they use and may, overrides, announcements, lost second factors, and the audit log. */

import { Announce } from './announcement';
import { AuditSearch } from './audit';
import { Limits } from './limits';
import { Overrides } from './overrides';
import { ResetFactors } from './reset_factors';
import { Usage } from './usage';
import { Wall } from './wall';

export function Admin() {
  return (
    <>
      <Wall />
      <Usage />
      <Limits />
      <Overrides />
      <Announce />
      <ResetFactors />
      <AuditSearch />
    </>
  );
}
